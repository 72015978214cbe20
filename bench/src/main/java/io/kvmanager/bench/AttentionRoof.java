package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import io.kvmanager.spi.WorkerGroup;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How near decode attention comes to this machine's memory.
 *
 * <p>One run measures, over the same slab and the same scattered tables, how fast bytes are read when only summed
 * ({@link ReadRoof}) and how fast attention reads them (scores, softmax, weighted values). Everything is measured once
 * per round, in turn, so that a slow moment of the machine hits all; best and median of the rounds are shown. One
 * thread is measured in its processor time, two by the clock: figures for two count only where nothing else runs. The
 * cache is several layers long, far beyond any processor cache.
 *
 * <pre>
 * java .. io.kvmanager.bench.AttentionRoof [--tokens n] [--rounds n] [--bytes n] [--plain] [--json FILE]
 * </pre>
 */
public final class AttentionRoof {
    private static final long SEED = 20_240_607;
    private static final int KV_HEADS = 8;
    private static final int GROUP_SIZE = 4;
    private static final int HEAD_SIZE = 128;
    private static final int BLOCK_TOKENS = 16;
    private static final int WARM_UP_ROUNDS = 4;

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final Settings settings;
    private final List<Row> rows = new ArrayList<>();

    private AttentionRoof(Settings settings) {
        this.settings = settings;
    }

    public static void main(String[] arguments) throws IOException {
        Settings settings = Settings.parse(arguments);
        AttentionRoof run = new AttentionRoof(settings);
        for (ElementType type : List.of(ElementType.F32, ElementType.BF16)) {
            run.measure(type);
        }
        if (!settings.json().isEmpty()) {
            Files.writeString(Path.of(settings.json()), run.json());
        }
    }

    /**
     * What to measure.
     *
     * @param tokens context length
     * @param rounds measured rounds
     * @param bytes K and V together, at least
     * @param plain the plain kernels too
     * @param json file to write, or empty
     */
    private record Settings(int tokens, int rounds, long bytes, boolean plain, String json) {
        static Settings parse(String[] arguments) {
            int tokens = 32 << 10;
            int rounds = 15;
            long bytes = 512L << 20;
            boolean plain = false;
            String json = "";
            for (int i = 0; i < arguments.length; i++) {
                switch (arguments[i]) {
                    case "--plain" -> plain = true;
                    case "--tokens" -> tokens = Integer.parseInt(arguments[++i]);
                    case "--rounds" -> rounds = Integer.parseInt(arguments[++i]);
                    case "--bytes" -> bytes = Long.parseLong(arguments[++i]);
                    case "--json" -> json = arguments[++i];
                    default ->
                        throw new IllegalArgumentException("'" + arguments[i]
                                + "' is unknown; accepted: --tokens, --rounds, --bytes, --plain, --json");
                }
            }
            return new Settings(tokens, rounds, bytes, plain, json);
        }
    }

    /** One thing that is timed, and its times in nanoseconds. */
    private static final class Row {
        final ElementType type;
        final String name;
        final int threads;
        final long bytes;
        final Runnable pass;
        final boolean roof;
        final long[] nanos;

        Row(ElementType type, String name, int threads, long bytes, boolean roof, int rounds, Runnable pass) {
            this.type = type;
            this.name = name;
            this.threads = threads;
            this.bytes = bytes;
            this.roof = roof;
            this.pass = pass;
            this.nanos = new long[rounds];
        }

        double best() {
            return bytes / (double) Arrays.stream(nanos).min().orElseThrow();
        }

        double median() {
            long[] sorted = nanos.clone();
            Arrays.sort(sorted);
            return bytes / (double) sorted[sorted.length / 2];
        }
    }

    private void measure(ElementType type) {
        CacheGeometry one = new CacheGeometry(1, KV_HEADS * GROUP_SIZE, KV_HEADS, HEAD_SIZE, BLOCK_TOKENS, type);
        long layerBytes = 2L * one.blocksFor(settings.tokens()) * one.blockBytes();
        int layers = (int) Math.max(1, (settings.bytes() + layerBytes - 1) / layerBytes);
        CacheGeometry geometry =
                new CacheGeometry(layers, KV_HEADS * GROUP_SIZE, KV_HEADS, HEAD_SIZE, BLOCK_TOKENS, type);
        List<AutoCloseable> open = new ArrayList<>();
        try (Device memory = ProviderSelection.device("host:vector")) {
            ScatteredCache cache = new ScatteredCache(memory, geometry, settings.tokens(), SEED);
            List<Row> measured = new ArrayList<>();
            for (int threads = 1; threads <= 2; threads++) {
                WorkerGroup workers = WorkerGroup.of(threads);
                open.add(workers);
                for (ReadRoof.Walk walk : ReadRoof.Walk.values()) {
                    measured.add(roof(cache, walk, workers));
                }
                for (String kernels : settings.plain() ? List.of("vector", "plain") : List.of("vector")) {
                    Device device = ProviderSelection.device("host:" + kernels + ",threads=" + threads);
                    open.add(device);
                    measured.add(attention(cache, device, kernels, threads));
                }
            }
            rounds(measured);
            print(cache, measured);
            rows.addAll(measured);
        } finally {
            for (AutoCloseable resource : open) {
                close(resource);
            }
        }
    }

    private static void close(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private Row roof(ScatteredCache cache, ReadRoof.Walk walk, WorkerGroup workers) {
        ReadRoof roof = new ReadRoof(cache.geometry, cache.slab, walk);
        String name = "read " + walk.name().toLowerCase(Locale.ROOT).replace('_', ' ');
        long[] expected = {0};
        Runnable pass = () -> {
            long sum = 0;
            for (int layer = 0; layer < cache.geometry.layers(); layer++) {
                sum += roof.read(workers, cache.keyTables[layer], cache.blocks, 2 * layer * cache.blocks);
                sum += roof.read(workers, cache.valueTables[layer], cache.blocks, (2 * layer + 1) * cache.blocks);
            }
            if (expected[0] != 0 && expected[0] != sum) {
                throw new IllegalStateException(name + " read something else");
            }
            expected[0] = sum;
        };
        return new Row(
                cache.geometry.elementType(),
                name,
                workers.threads(),
                cache.bytes(),
                walk != ReadRoof.Walk.SEQUENTIAL,
                settings.rounds(),
                pass);
    }

    private Row attention(ScatteredCache cache, Device device, String name, int threads) {
        AttentionKernels kernels = device.kernels(cache.geometry, cache.slab);
        return new Row(
                cache.geometry.elementType(),
                "attention " + name,
                threads,
                cache.bytes(),
                false,
                settings.rounds(),
                () -> cache.attend(kernels));
    }

    private void rounds(List<Row> measured) {
        for (int round = -WARM_UP_ROUNDS; round < settings.rounds(); round++) {
            for (Row row : measured) {
                long start = clock(row.threads);
                row.pass.run();
                if (round >= 0) {
                    row.nanos[round] = clock(row.threads) - start;
                }
            }
        }
    }

    /**
     * One thread's own time, so that waiting for a busy processor does not count; several threads have none in
     * common.
     */
    private static long clock(int threads) {
        return threads == 1 ? THREADS.getCurrentThreadCpuTime() : System.nanoTime();
    }

    private static double roofOf(List<Row> measured, Row of) {
        return measured.stream()
                .filter(row -> row.roof && row.threads == of.threads && row.type == of.type)
                .mapToDouble(Row::best)
                .max()
                .orElseThrow();
    }

    private void print(ScatteredCache cache, List<Row> measured) {
        System.out.printf(
                Locale.ROOT,
                "%n%s, %d tokens, %d layers, %.0f MiB of K and V, %d rounds%n%-26s %7s %9s %9s %8s %9s%n",
                cache.geometry.elementType(),
                cache.tokens,
                cache.geometry.layers(),
                cache.bytes() / 1048576.0,
                settings.rounds(),
                "",
                "threads",
                "best GB/s",
                "med. GB/s",
                "of roof",
                "floor ms");
        for (Row row : measured) {
            double roof = roofOf(measured, row);
            System.out.printf(
                    Locale.ROOT,
                    "%-26s %7d %9.2f %9.2f %7.0f%% %9.2f%n",
                    row.name,
                    row.threads,
                    row.best(),
                    row.median(),
                    100 * row.best() / roof,
                    row.bytes / roof / 1e6);
        }
    }

    private String json() {
        StringBuilder json = new StringBuilder("[\n");
        for (Row row : rows) {
            json.append(json.length() > 2 ? ",\n" : "")
                    .append(String.format(
                            Locale.ROOT,
                            "  {\"elementType\": \"%s\", \"name\": \"%s\", \"threads\": %d, \"bytes\": %d,"
                                    + " \"bestGBps\": %.3f, \"medianGBps\": %.3f, \"shareOfRoof\": %.4f}",
                            row.type,
                            row.name,
                            row.threads,
                            row.bytes,
                            row.best(),
                            row.median(),
                            row.best() / roofOf(rows, row)));
        }
        return json.append("\n]\n").toString();
    }
}
