package producer;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Records that must be skipped, each for another reason. */
final class Nonsense {
    private Nonsense() {}

    static List<ProducerRecord<byte[], byte[]>> records(String topic) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (Tasks one : values()) {
            records.add(one.to(topic));
        }
        for (String[] header : HEADERS) {
            String id = "never-" + header[0] + records.size();
            records.add(Tasks.plain("never", id, "", "").header(header[0], header[1]).to(topic));
        }
        return records;
    }

    private static List<Tasks> values() {
        byte[] whole = bytes(Tasks.plain("never", "cut", "", "cut short"));
        byte[] cut = java.util.Arrays.copyOf(whole, whole.length - 3);
        return List.of(
                new Tasks(null),
                new Tasks(new byte[0]),
                new Tasks("{\"type\":\"never\"}".getBytes(StandardCharsets.UTF_8)),
                new Tasks("never".getBytes(StandardCharsets.UTF_8)),
                new Tasks(cut),
                new Tasks(new byte[] {0x1a, 1, (byte) 0xff}),
                new Tasks(new byte[] {(byte) 0x94, 1}),
                new Tasks(new byte[] {0}),
                new Tasks(new byte[] {0, 0, 0, 0, 7, 4}),
                Tasks.plain(" ", "blank-type", "", ""),
                Tasks.plain("", "no-type", "", "").framed(7, 0));
    }

    private static final String[][] HEADERS = {
        {"process_at", "soon"},
        {"process_at", ""},
        {"process_at", null},
        {"process_at", "1.5"},
        {"process_at", "1893456000000"},
        {"process_at", "99999999999999999999"},
        {"unique_ttl", "0"},
        {"unique_ttl", "-1"},
        {"unique_ttl", "1h"},
        {"group", " "},
    };

    private static byte[] bytes(Tasks task) {
        return task.to("any").value();
    }
}
