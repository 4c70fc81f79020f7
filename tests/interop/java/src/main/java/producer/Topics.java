package producer;

import java.nio.charset.StandardCharsets;

/** Which topic holds a queue. */
final class Topics {
    private Topics() {}

    static String ofQueue(String namespace, String queue) {
        StringBuilder name = new StringBuilder(namespace).append(".queue.");
        for (byte octet : queue.getBytes(StandardCharsets.UTF_8)) {
            boolean isPlain =
                    octet >= 'A' && octet <= 'Z'
                            || octet >= 'a' && octet <= 'z'
                            || octet >= '0' && octet <= '9'
                            || octet == '_'
                            || octet == '-';
            name.append(isPlain ? Character.toString(octet) : String.format(".%02X", octet & 0xFF));
        }
        return name.toString();
    }
}
