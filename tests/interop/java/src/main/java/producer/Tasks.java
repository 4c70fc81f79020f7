package producer;

import asynq.Asynq.TaskMessage;
import com.google.protobuf.ByteString;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** One task on its way into a record. */
final class Tasks {
    private final List<Header> headers = new ArrayList<>();
    private byte[] value;

    Tasks(byte[] value) {
        this.value = value;
    }

    static Tasks plain(String type, String id, String queue, String payload) {
        return new Tasks(
                TaskMessage.newBuilder()
                        .setType(type)
                        .setPayload(ByteString.copyFromUtf8(payload))
                        .setId(id)
                        .setQueue(queue)
                        .setRetry(25)
                        .setTimeout(1800)
                        .putHeaders("from", "java")
                        .build()
                        .toByteArray());
    }

    /** Put Schema Registry framing in front, with the path of the message in its schema. */
    Tasks framed(int schemaId, int... path) {
        ByteArrayOutputStream framed = new ByteArrayOutputStream();
        framed.write(0);
        framed.writeBytes(ByteBuffer.allocate(4).putInt(schemaId).array());
        if (path.length == 1 && path[0] == 0) {
            framed.write(0);
        } else {
            framed.write(path.length << 1); // zigzag, of small numbers that are not negative
            for (int step : path) {
                framed.write(step << 1);
            }
        }
        framed.writeBytes(value);
        value = framed.toByteArray();
        return this;
    }

    Tasks header(String name, String text) {
        headers.add(new RecordHeader(name, text == null ? null : text.getBytes(StandardCharsets.UTF_8)));
        return this;
    }

    ProducerRecord<byte[], byte[]> to(String topic) {
        return new ProducerRecord<>(topic, 0, (byte[]) null, value, headers);
    }
}
