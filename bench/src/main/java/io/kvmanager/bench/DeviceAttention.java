package io.kvmanager.bench;

import io.kvmanager.CacheGeometry;
import io.kvmanager.ElementType;
import io.kvmanager.Tier;
import io.kvmanager.spi.AttentionKernels;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How near one decode step's attention over a batch comes to a device's memory: scores over K, weighted sum over V, and
 * both, beside the copy bandwidth of the same run. The floor of each figure is its bytes over that bandwidth.
 *
 * <pre>
 * kv bench attention-gpu [--device d] [--cases 8x32768,64x4096] [--types F16,BF16] [--rounds n] [--json FILE]
 * </pre>
 */
final class DeviceAttention {
    private static final int QUERY_HEADS = 32;
    private static final int HEAD_SIZE = 128;
    private static final int BLOCK_TOKENS = 16;
    private static final int WARM_UP_ROUNDS = 3;
    private static final long COPY_BYTES = 1L << 30;

    private final Settings settings;
    private final List<String> json = new ArrayList<>();

    private DeviceAttention(Settings settings) {
        this.settings = settings;
    }

    static void main(String[] arguments) throws IOException {
        Settings settings = Settings.parse(arguments);
        DeviceAttention run = new DeviceAttention(settings);
        for (ElementType type : settings.types()) {
            for (int kvHeads : new int[] {QUERY_HEADS, QUERY_HEADS / 4}) {
                for (int[] shape : settings.cases()) {
                    run.measure(
                            new CacheGeometry(shape[0], QUERY_HEADS, kvHeads, HEAD_SIZE, BLOCK_TOKENS, type), shape[1]);
                    run.write();
                }
            }
        }
    }

    /** Renews the file behind every case: a run that is stopped leaves what it has measured. */
    private void write() throws IOException {
        if (!settings.json().isEmpty()) {
            Files.writeString(Path.of(settings.json()), "[\n" + String.join(",\n", json) + "\n]\n");
        }
    }

    /**
     * What to measure.
     *
     * @param cases batch and tokens of each case
     */
    private record Settings(
            String device, List<int[]> cases, List<ElementType> types, int rounds, long copyBytes, String json) {
        static Settings parse(String[] arguments) {
            String device = "cuda:0";
            String cases = "1x4096,8x4096,64x4096,1x32768,8x32768,1x131072";
            String types = "F16,BF16";
            int rounds = 20;
            long copyBytes = COPY_BYTES;
            String json = "";
            for (int i = 0; i + 1 < arguments.length; i += 2) {
                String value = arguments[i + 1];
                switch (arguments[i]) {
                    case "--device" -> device = value;
                    case "--cases" -> cases = value;
                    case "--types" -> types = value;
                    case "--rounds" -> rounds = Integer.parseInt(value);
                    case "--copy-bytes" -> copyBytes = Long.parseLong(value);
                    case "--json" -> json = value;
                    default ->
                        throw new IllegalArgumentException("'" + arguments[i]
                                + "' is unknown; accepted: --device, --cases, --types, --rounds, --copy-bytes, --json");
                }
            }
            List<int[]> shapes = Arrays.stream(cases.split(","))
                    .map(text -> Arrays.stream(text.split("x"))
                            .mapToInt(Integer::parseInt)
                            .toArray())
                    .toList();
            return new Settings(
                    device,
                    shapes,
                    Arrays.stream(types.split(",")).map(ElementType::valueOf).toList(),
                    rounds,
                    copyBytes,
                    json);
        }
    }

    /** One thing that is timed. */
    private static final class Row {
        final String name;
        final long bytes;
        final Runnable pass;
        final long[] nanos;

        Row(String name, long bytes, int rounds, Runnable pass) {
            this.name = name;
            this.bytes = bytes;
            this.pass = pass;
            this.nanos = new long[rounds];
        }

        long median() {
            Arrays.sort(nanos);
            return nanos[nanos.length / 2];
        }

        double bandwidth() {
            return bytes / (double) median();
        }
    }

    /** The geometry's layers are the sequences of the batch. */
    private void measure(CacheGeometry geometry, int tokens) {
        try (Device device = ProviderSelection.device(settings.device())) {
            ScatteredCache cache = new ScatteredCache(device, geometry, tokens, 1);
            AttentionKernels kernels = device.kernels(geometry, cache.slab);
            MemorySegment from = device.allocate(Tier.DEVICE, settings.copyBytes());
            MemorySegment to = device.allocate(Tier.DEVICE, settings.copyBytes());
            long half = cache.bytes() / 2;
            List<Row> rows = List.of(
                    new Row(
                            "copy",
                            2 * settings.copyBytes(),
                            settings.rounds(),
                            () -> device.copy(from, 0, to, 0, settings.copyBytes())),
                    new Row("scores", half, settings.rounds(), () -> cache.scores(kernels)),
                    new Row("values", half, settings.rounds(), () -> cache.values(kernels)),
                    new Row("attention", cache.bytes(), settings.rounds(), () -> cache.attend(kernels)));
            for (int round = -WARM_UP_ROUNDS; round < settings.rounds(); round++) {
                for (Row row : rows) {
                    device.synchronize();
                    long start = System.nanoTime();
                    row.pass.run();
                    device.synchronize();
                    if (round >= 0) {
                        row.nanos[round] = System.nanoTime() - start;
                    }
                }
            }
            report(device.description(), geometry, tokens, rows);
        }
    }

    private void report(String device, CacheGeometry geometry, int tokens, List<Row> rows) {
        double roof = rows.getFirst().bandwidth();
        System.out.printf(
                Locale.ROOT,
                "%n%s, %d x %d tokens, %d query heads, %d KV heads x %d, %s%n%-12s %10s %10s %10s %9s %8s %9s%n",
                device,
                geometry.layers(),
                tokens,
                geometry.queryHeads(),
                geometry.kvHeads(),
                geometry.headSize(),
                geometry.elementType(),
                "",
                "min us",
                "median us",
                "max us",
                "GB/s",
                "of copy",
                "floor us");
        for (Row row : rows) {
            long median = row.median();
            long[] sorted = row.nanos;
            System.out.printf(
                    Locale.ROOT,
                    "%-12s %10.1f %10.1f %10.1f %9.1f %7.1f%% %9.1f%n",
                    row.name,
                    sorted[0] / 1e3,
                    median / 1e3,
                    sorted[sorted.length - 1] / 1e3,
                    row.bandwidth(),
                    100 * row.bandwidth() / roof,
                    row.bytes / roof / 1e3);
            json.add(String.format(
                    Locale.ROOT,
                    "  {\"device\": \"%s\", \"name\": \"%s\", \"batch\": %d, \"tokens\": %d, \"queryHeads\": %d,"
                            + " \"kvHeads\": %d, \"headSize\": %d, \"elementType\": \"%s\", \"bytes\": %d,"
                            + " \"nanosMin\": %d, \"nanosMedian\": %d, \"nanosMax\": %d, \"shareOfCopy\": %.4f}",
                    device,
                    row.name,
                    geometry.layers(),
                    tokens,
                    geometry.queryHeads(),
                    geometry.kvHeads(),
                    geometry.headSize(),
                    geometry.elementType(),
                    row.bytes,
                    sorted[0],
                    median,
                    sorted[sorted.length - 1],
                    row.bandwidth() / roof));
        }
    }
}
