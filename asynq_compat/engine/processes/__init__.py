"""How do handlers run in processes of their own?

Contract: the engine, its connections and replicas stay in the server's process; worker processes are given messages and tell outcomes
(docs/adr/0023). A server of one process imports nothing of this but `between.program`.
"""
