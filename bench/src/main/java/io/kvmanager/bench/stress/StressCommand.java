package io.kvmanager.bench.stress;

import io.kvmanager.ByteSize;
import io.kvmanager.CacheName;
import io.kvmanager.inference.cli.BadInput;
import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.JsonOption;
import io.kvmanager.inference.cli.Progress;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kv stress}: random serving load under memory pressure, with faults and an oracle. */
@Command(
        name = "stress",
        description = "Serves random load from far too little memory while things go wrong, and checks every output.",
        footer = {
            "",
            "Every attention output is compared with double precision, every byte is recounted behind every operation.",
            "With one thread, a seed and a number of operations always give the same run. Exit status 1: a violation."
        })
final class StressCommand implements Callable<Integer> {
    private static final int FAILED = 1;
    private static final String ALL = "all";
    private static final int MOST_THREADS = 64;
    private static final int STEPS = 1000;

    private final Console console;

    @Option(
            names = "--seconds",
            paramLabel = "<s>",
            description = "How long. Default: 10, or without end where --operations is given.")
    private @Nullable Integer seconds;

    @Option(names = "--operations", paramLabel = "<n>", description = "How many operations, instead or as well.")
    private @Nullable Integer operations;

    @Option(
            names = "--cache",
            paramLabel = "<list>",
            description = "Caches in turn, or all. Default: ${DEFAULT-VALUE}.")
    private String caches = ALL;

    @Option(
            names = "--device-bytes",
            paramLabel = "<size>",
            description =
                    "Device memory of every cache, such as 512k. Left out, each is given what 1 to 3 sequences need.")
    private @Nullable String deviceBytes;

    @Option(
            names = "--host-bytes",
            paramLabel = "<size>",
            description = "Host memory of every cache. Left out, each is given little or none.")
    private @Nullable String hostBytes;

    @Option(names = "--seed", paramLabel = "<n>", description = "Default: ${DEFAULT-VALUE}.")
    private long seed = 1;

    @Option(
            names = "--faults",
            paramLabel = "<list>",
            description = "What goes wrong: all, none, or some of allocate, kernel, copy, delay, host-full, interrupt, "
                    + "close, cache-close. Default: ${DEFAULT-VALUE}.")
    private String faults = ALL;

    @Option(
            names = "--threads",
            paramLabel = "<n>",
            description = "Threads with sequences of their own on the same cache. Default: ${DEFAULT-VALUE}.")
    private int threads = 1;

    @Option(
            names = "--device",
            paramLabel = "<device>",
            description = "The device below the faults, such as host or host:plain. Default: ${DEFAULT-VALUE}.")
    private String device = "host";

    @Mixin
    private final JsonOption json = new JsonOption();

    StressCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() throws IOException {
        StressOptions options = options();
        json.check();
        StressRun run = new StressRun(options);
        try (Progress progress = new Progress(console)) {
            run.run(share -> progress.step("stress", (long) (share * STEPS), STEPS));
        }
        StressReport report = new StressReport(options, run);
        report.print(console);
        if (json.wanted()) {
            json.write(report.json());
        }
        return run.violations() == 0 ? 0 : FAILED;
    }

    private StressOptions options() {
        long most = StressOptions.UNLIMITED;
        if (operations != null) {
            BadInput.requireAtLeast("--operations", operations, 1);
            most = operations;
        }
        long time = operations != null ? StressOptions.UNLIMITED : 10;
        if (seconds != null) {
            BadInput.requireAtLeast("--seconds", seconds, 1);
            time = seconds;
        }
        BadInput.requireAtLeast("--threads", threads, 1);
        if (threads > MOST_THREADS) {
            throw new BadInput("--threads '" + threads + "' is not accepted; accepted: 1 to " + MOST_THREADS);
        }
        return new StressOptions(
                caches(),
                seed,
                most,
                time,
                bytes("--device-bytes", deviceBytes),
                bytes("--host-bytes", hostBytes),
                faults(),
                threads,
                device);
    }

    private List<CacheName> caches() {
        if (caches.strip().equals(ALL)) {
            return List.copyOf(StressSetting.CACHES);
        }
        List<CacheName> names = new ArrayList<>();
        for (String word : caches.split(",", -1)) {
            CacheName name = null;
            for (CacheName known : StressSetting.CACHES) {
                name = known.toString().equals(word.strip()) ? known : name;
            }
            if (name == null) {
                throw new BadInput("--cache '" + word + "' is not accepted; accepted: " + ALL + ", "
                        + StressSetting.CACHES.stream().map(CacheName::toString).collect(Collectors.joining(", ")));
            }
            names.add(name);
        }
        return names;
    }

    private Set<Fault> faults() {
        try {
            return Fault.parse(faults);
        } catch (IllegalArgumentException e) {
            throw BadInput.of("--faults", e);
        }
    }

    private static long bytes(String flag, @Nullable String size) {
        if (size == null) {
            return StressSetting.DRAWN;
        }
        long bytes = ByteSize.parse(flag, size);
        BadInput.requireAtLeast(flag, bytes, 1);
        return bytes;
    }
}
