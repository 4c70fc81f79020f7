"""How does an asyncio program hand over tasks?"""
