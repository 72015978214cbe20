package io.kvmanager.bench.gpu;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import io.kvmanager.KvCacheException;
import io.kvmanager.spi.Device;
import io.kvmanager.spi.ProviderSelection;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs every test tagged {@code gpu} below the given folders of test classes, on a machine that has a GPU and neither
 * Maven nor sources. Exit status: 0 if all passed, 1 if one failed, 3 if none ran: that is not a pass. A run that is
 * stopped says how far it came.
 */
public final class GpuSuite implements TestExecutionListener {
    private static final int FAILED = 1;
    private static final int NONE_RAN = 3;
    private static final int FRAMES = 12;

    private final PrintStream out = System.out;
    private final String deviceName;
    private final Path json;
    private final long start = System.nanoTime();
    private @Nullable Device device;
    private int passed;
    private int failed;
    private int skipped;
    private boolean finished;

    private GpuSuite(String deviceName, Path json) {
        this.deviceName = deviceName;
        this.json = json;
    }

    /** Runs the suite; arguments are a device, a file for the counts, and folders on the class path. */
    public static void main(String[] words) {
        Set<Path> folders =
                new LinkedHashSet<>(Arrays.stream(words).skip(2).map(Path::of).toList());
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClasspathRoots(folders))
                .filters(TagFilter.includeTags("gpu"))
                .build();
        GpuSuite suite = new GpuSuite(words[0], Path.of(words[1]));
        Runtime.getRuntime().addShutdownHook(new Thread(suite::report));
        suite.holdContext();
        LauncherFactory.create().execute(request, suite);
        suite.finished();
        System.exit(suite.status());
    }

    /**
     * Keeps a device open, so that the driver does not make its context anew for every test: that would take most of
     * the time.
     */
    private void holdContext() {
        try {
            device = ProviderSelection.device(deviceName);
        } catch (KvCacheException e) {
            out.println("gpu suite: " + e.getMessage());
        }
    }

    @Override
    public synchronized void executionFinished(TestIdentifier test, TestExecutionResult result) {
        if (result.getStatus() == TestExecutionResult.Status.FAILED) {
            failed++;
            out.println("FAILED " + test.getUniqueId());
            result.getThrowable().ifPresent(this::print);
            // What ends a context would fail every test behind it; the next one gets a new context.
            if (device != null) {
                device.close();
                holdContext();
            }
        } else if (test.isTest() && result.getStatus() == TestExecutionResult.Status.SUCCESSFUL) {
            passed++;
        } else if (test.isTest()) {
            skipped++;
        }
    }

    @Override
    public synchronized void executionSkipped(TestIdentifier test, String reason) {
        skipped++;
    }

    private void print(Throwable problem) {
        out.println("  " + problem);
        Arrays.stream(problem.getStackTrace()).limit(FRAMES).forEach(frame -> out.println("    at " + frame));
    }

    private synchronized void finished() {
        finished = true;
        if (device != null) {
            device.close();
        }
    }

    private synchronized int status() {
        return failed > 0 ? FAILED : passed == 0 ? NONE_RAN : 0;
    }

    private synchronized void report() {
        double seconds = (System.nanoTime() - start) / 1e9;
        out.printf(
                Locale.ROOT,
                "gpu suite: %d tests passed, %d failed, %d skipped, %.1f s%s%n",
                passed,
                failed,
                skipped,
                seconds,
                finished ? "" : "; STOPPED before all had run");
        if (passed + failed == 0) {
            out.println("gpu suite: NO GPU TEST RAN; nothing is shown by this run");
        }
        try {
            Files.writeString(
                    json,
                    String.format(
                            Locale.ROOT,
                            "{\"passed\": %d, \"failed\": %d, \"skipped\": %d, \"seconds\": %.1f, \"finished\": %b}%n",
                            passed,
                            failed,
                            skipped,
                            seconds,
                            finished));
        } catch (IOException e) {
            out.println("gpu suite: " + json + " cannot be written: " + e.getMessage());
        }
    }
}
