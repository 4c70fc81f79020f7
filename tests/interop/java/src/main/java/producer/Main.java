package producer;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Enqueues tasks on a queue's journal as any Java program could, and writes much between them that is no task. */
public final class Main {
    private static final int MAX_REQUEST_BYTES = 16 * 1024 * 1024;

    private Main() {}

    /** Arguments: bootstrap servers, namespace, queue, number of plain tasks, seconds until the scheduled one runs. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 5) {
            System.err.println("usage: Main BOOTSTRAP NAMESPACE QUEUE COUNT DELAY_S");
            System.exit(2);
        }
        String topic = Topics.ofQueue(arguments[1], arguments[2]);
        List<ProducerRecord<byte[], byte[]>> tasks =
                tasks(topic, arguments[2], Integer.parseInt(arguments[3]), Integer.parseInt(arguments[4]));
        List<ProducerRecord<byte[], byte[]>> nonsense = Nonsense.records(topic);
        List<ProducerRecord<byte[], byte[]>> refused =
                List.of(
                        Tasks.plain("once", "once-2", arguments[2], "same").header("unique_ttl", "3600").to(topic),
                        Tasks.plain("taken", "plain-0", arguments[2], "an id that is taken").to(topic));
        List<ProducerRecord<byte[], byte[]>> all = interleaved(tasks, nonsense);
        all.addAll(refused);
        write(arguments[0], all);
        System.out.printf("%d tasks, %d refused, %d unreadable%n", tasks.size(), refused.size(), nonsense.size());
    }

    private static List<ProducerRecord<byte[], byte[]>> tasks(String topic, String queue, int count, int delayS) {
        List<ProducerRecord<byte[], byte[]>> tasks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            tasks.add(Tasks.plain("plain", "plain-" + i, queue, Integer.toString(i)).to(topic));
        }
        String due = Long.toString(Instant.now().getEpochSecond() + delayS);
        tasks.add(Tasks.plain("later", "later", queue, due).header("process_at", due).to(topic));
        tasks.add(Tasks.plain("once", "once-1", queue, "same").header("unique_ttl", "3600").to(topic));
        tasks.add(Tasks.plain("framed", "framed", queue, "schema 7").framed(7, 0).to(topic));
        tasks.add(Tasks.plain("framed", "nested", queue, "schema 8").framed(8, 1, 2).to(topic));
        tasks.add(Tasks.plain("no id", "", "", "the queue gives one").to(topic));
        tasks.add(Tasks.plain("group", "grouped", queue, "alone").header("group", "g").to(topic));
        tasks.add(Tasks.plain("large", "large", queue, "x".repeat(5 * 1024 * 1024)).to(topic));
        return tasks;
    }

    private static <T> List<T> interleaved(List<T> some, List<T> others) {
        List<T> all = new ArrayList<>();
        for (int i = 0; i < Math.max(some.size(), others.size()); i++) {
            if (i < some.size()) {
                all.add(some.get(i));
            }
            if (i < others.size()) {
                all.add(others.get(i));
            }
        }
        return all;
    }

    private static void write(String bootstrap, List<ProducerRecord<byte[], byte[]>> records)
            throws ExecutionException, InterruptedException {
        Map<String, Object> settings =
                Map.of(
                        "bootstrap.servers", bootstrap,
                        "acks", "all",
                        "enable.idempotence", true,
                        "compression.type", "gzip",
                        "max.request.size", MAX_REQUEST_BYTES,
                        "delivery.timeout.ms", 60_000,
                        "request.timeout.ms", 20_000);
        ByteArraySerializer bytes = new ByteArraySerializer();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, bytes, bytes)) {
            List<Future<RecordMetadata>> answers = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : records) {
                answers.add(producer.send(record));
            }
            for (Future<RecordMetadata> answer : answers) {
                answer.get();
            }
        }
    }
}
