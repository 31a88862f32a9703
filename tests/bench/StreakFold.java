import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The peer: the same fold of the same topic with Kafka Streams, exactly_once_v2, one thread, state in RocksDB with its
 * changelog. `java StreakFold.java BROKER TOPIC OUTPUT STATE_DIR EVENTS` folds the topic twice under two application ids,
 * the first time to warm the virtual machine, and prints how many advanced and events a second.
 */
public final class StreakFold {
    private static final int N_IN_A_ROW = 3;
    private static final long LIMIT_S = 120;

    public static void main(String[] arguments) throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", arguments[0]))) {
            NewTopic output = new NewTopic(arguments[2], Optional.empty(), Optional.empty());
            admin.createTopics(List.of(output)).all().get();
        }
        run(arguments, "cold");
        Clock warm = run(arguments, "warm");
        System.out.println(warm.advanced + " " + warm.rate());
    }

    private static Clock run(String[] arguments, String pass) throws Exception {
        String output = arguments[2];
        Clock clock = new Clock(Long.parseLong(arguments[4]));
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, output + "-" + pass);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[3]);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        Topology topology = new Topology();
        topology.addSource("evidence", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), arguments[1])
            .addProcessor("fold", () -> new Fold(clock), "evidence")
            .addStateStore(
                Stores.keyValueStoreBuilder(
                    Stores.persistentKeyValueStore("streaks"), Serdes.String(), Serdes.ByteArray()), "fold")
            .addSink("advancements", output, Serdes.String().serializer(), Serdes.ByteArray().serializer(), "fold");
        try (KafkaStreams streams = new KafkaStreams(topology, settings)) {
            streams.start();
            if (!clock.done.await(LIMIT_S, TimeUnit.SECONDS)) {
                throw new IllegalStateException("folded " + clock.folded + " events in " + LIMIT_S + " s");
            }
            // Closing commits the last second, which is given to the peer.
            streams.close(Duration.ofSeconds(20));
        }
        return clock;
    }

    /** When the first and the last event were folded, and how many advanced. */
    private static final class Clock {
        final CountDownLatch done = new CountDownLatch(1);
        final long events;
        long folded;
        long advanced;
        long first;
        long last;

        Clock(long events) {
            this.events = events;
        }

        void tick() {
            last = System.nanoTime();
            if (folded++ == 0) {
                first = last;
            }
            if (folded == events) {
                done.countDown();
            }
        }

        double rate() {
            return events * 1e9 / (last - first);
        }
    }

    /** Folds an event into the streak of its (learner, competency); tells an advancement when it is first reached. */
    private static final class Fold implements Processor<String, byte[], String, byte[]> {
        private final ObjectMapper json = new ObjectMapper();
        private final Clock clock;
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> streaks;

        Fold(Clock clock) {
            this.clock = clock;
        }

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            streaks = context.getStateStore("streaks");
        }

        @Override
        public void process(Record<String, byte[]> record) {
            try {
                JsonNode event = json.readTree(record.value());
                if (event.get("type").textValue().equals("attain.evidence.recorded.v1")) {
                    fold(record, event.get("data"));
                }
            } catch (java.io.IOException broken) {
                throw new IllegalArgumentException(broken);
            }
            clock.tick();
        }

        private void fold(Record<String, byte[]> record, JsonNode data) throws java.io.IOException {
            JsonNode score = data.get("score");
            boolean right = score.get("raw").doubleValue() >= score.get("max").doubleValue();
            for (JsonNode competency : data.get("competencies")) {
                String key = record.key() + '|' + competency.textValue();
                byte[] stored = streaks.get(key);
                ByteBuffer state = stored == null ? ByteBuffer.allocate(9) : ByteBuffer.wrap(stored);
                int run = right ? state.getInt(0) + 1 : 0;
                boolean mastered = state.get(8) != 0;
                if (run >= N_IN_A_ROW && !mastered) {
                    mastered = true;
                    clock.advanced++;
                    byte[] told = json.writeValueAsBytes(json.createObjectNode()
                        .put("learner", data.get("learner").textValue())
                        .put("competency", competency.textValue())
                        .put("cause", data.get("evidence_id").textValue()));
                    context.forward(record.withValue(told));
                }
                state.putInt(0, run).putInt(4, state.getInt(4) + 1).put(8, (byte) (mastered ? 1 : 0));
                streaks.put(key, state.array());
            }
        }
    }
}
