package io.kvmanager.bench;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvmanager.ByteSize;
import io.kvmanager.KvCacheException.ProviderUnusable;
import io.kvmanager.inference.cli.BadInput;
import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.Json;
import io.kvmanager.inference.cli.JsonOption;
import io.kvmanager.inference.cli.Kv;
import io.kvmanager.inference.cli.TextTable;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv bench transfer}: how fast pieces go between the tiers, by their size and by the way of copying. */
@Command(
        name = "transfer",
        description = "Copies between host and device memory, by size of the piece and way of copying. Pieces are "
                + "scattered on both sides; contents are checked.")
final class TransferCommand implements Callable<Integer> {
    private static final String CUDA = "cuda";
    private static final String BULK = "bulk";
    private static final List<String> CUDA_WAYS = List.of("single", "batch", "kernel");
    private static final int WARM_UP = 2;
    private static final long MOST_BYTES = 1L << 30;

    private final Console console;

    @Option(names = "--device", paramLabel = "<device>", description = "Default: ${DEFAULT-VALUE}.")
    private String device = ProviderSelection.AUTO;

    @Option(
            names = "--pieces",
            paramLabel = "<list>",
            description = "Sizes of a piece, powers of two. Default: ${DEFAULT-VALUE}.")
    private String pieces = "2k,4k,8k,16k,32k,64k,128k,256k,512k,1M,2M";

    @Option(
            names = "--bytes",
            paramLabel = "<size>",
            description = "Bytes of one pass and of the bulk copy, a power of two. Default: ${DEFAULT-VALUE}.")
    private String bytes = "64M";

    @Option(names = "--rounds", paramLabel = "<n>", description = "Passes of each kind. Default: ${DEFAULT-VALUE}.")
    private int rounds = 15;

    @Mixin
    private final JsonOption json = new JsonOption();

    private TransferCommand(Console console) {
        this.console = console;
    }

    /** Runs one command line and returns its exit status. */
    static int run(Console console, String... words) {
        String[] all = Stream.concat(Stream.of("transfer"), Stream.of(words)).toArray(String[]::new);
        return Kv.run(console, List.of(new TransferCommand(console)), all);
    }

    @Override
    public Integer call() throws IOException {
        BadInput.requireAtLeast("--rounds", rounds, 1);
        long passBytes = power("--bytes", bytes, TransferBenchmark.LEAST_PIECE, MOST_BYTES);
        List<Long> sizes = Stream.of(pieces.split(",", -1))
                .map(size -> power("--pieces", size, TransferBenchmark.LEAST_PIECE, passBytes))
                .toList();
        json.check();
        List<TransferRun> runs = new ArrayList<>();
        String description = "";
        for (Map.Entry<String, String> way : ways().entrySet()) {
            try (Device open = ProviderSelection.device(way.getValue());
                    TransferBenchmark benchmark = new TransferBenchmark(open, passBytes)) {
                description = open.description();
                measure(benchmark, way.getKey(), sizes, passBytes, runs);
                json.write(json(description, runs)); // a run that is stopped leaves what it has measured
            } catch (ProviderUnusable e) {
                if (!way.getKey().equals("batch")) {
                    throw e;
                }
                console.line("batch: " + e.getMessage());
            }
        }
        console.line(description + "; GB/s of the median pass, slowest and fastest of " + rounds
                + " behind; contents of every row checked");
        print(runs, /* toDevice */ true);
        print(runs, /* toDevice */ false);
        return 0;
    }

    private static long power(String flag, String text, long least, long most) {
        long size;
        try {
            size = ByteSize.parse("value", text);
        } catch (IllegalArgumentException e) {
            throw BadInput.of(flag, e);
        }
        if (size < least || size > most || Long.bitCount(size) != 1) {
            throw new BadInput(flag + " '" + text + "' is not accepted; accepted: powers of two from " + least + " to "
                    + most + " bytes");
        }
        return size;
    }

    /** The device to open for each way of copying. */
    private Map<String, String> ways() {
        Map<String, String> ways = new LinkedHashMap<>();
        if (!device.equals(CUDA) && !device.startsWith(CUDA + ":")) {
            ways.put("copy", device);
            return ways;
        }
        for (String way : CUDA_WAYS) {
            ways.put(way, device + (device.contains(":") ? "," : ":") + "copies=" + way);
        }
        return ways;
    }

    private void measure(
            TransferBenchmark benchmark, String way, List<Long> sizes, long passBytes, List<TransferRun> runs) {
        for (boolean toDevice : new boolean[] {true, false}) {
            if (!toDevice && way.equals("kernel")) {
                continue; // homes are written by copies only
            }
            for (long size : sizes) {
                long[] nanos = benchmark.measure(size, toDevice, WARM_UP, rounds);
                runs.add(TransferRun.of(way, toDevice, size, benchmark.pieces(size), nanos));
            }
            if (runs.stream().noneMatch(run -> run.way().equals(BULK) && run.toDevice() == toDevice)) {
                runs.add(TransferRun.of(
                        BULK, toDevice, passBytes, 1, benchmark.measure(passBytes, toDevice, WARM_UP, rounds)));
            }
        }
    }

    private void print(List<TransferRun> runs, boolean toDevice) {
        List<TransferRun> shown =
                runs.stream().filter(run -> run.toDevice() == toDevice).toList();
        TextTable table = new TextTable(
                toDevice ? "to the device" : "to the host", "piece", "pieces", "GB/s", "slowest", "fastest");
        for (TransferRun run : shown) {
            table.row(
                    run.way(),
                    ByteSize.format(run.pieceBytes()),
                    String.valueOf(run.pieces()),
                    decimal(run.bandwidth(run.nanosMedian())),
                    decimal(run.bandwidth(run.nanosMax())),
                    decimal(run.bandwidth(run.nanosMin())));
        }
        table.print(console, BULK);
    }

    private static String decimal(double number) {
        return String.format(Locale.ROOT, "%.2f", number);
    }

    private static ObjectNode json(String device, List<TransferRun> runs) {
        ObjectNode root = Json.envelope("bench transfer", device, null);
        for (TransferRun run : runs) {
            ((ArrayNode) root.get("runs"))
                    .addObject()
                    .put("way", run.way())
                    .put("toDevice", run.toDevice())
                    .put("pieceBytes", run.pieceBytes())
                    .put("pieces", run.pieces())
                    .put("nanosMin", run.nanosMin())
                    .put("nanosMedian", run.nanosMedian())
                    .put("nanosMax", run.nanosMax())
                    .put("bytesPerSecond", Math.round(1e9 * run.bandwidth(run.nanosMedian())));
        }
        return root;
    }
}
