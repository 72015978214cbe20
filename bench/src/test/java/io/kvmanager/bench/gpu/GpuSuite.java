package io.kvmanager.bench.gpu;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Set;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Runs every test tagged {@code gpu} below the given folders of test classes, on a machine that has a GPU and neither
 * Maven nor sources. Exit status: 0 if all passed, 1 if one failed, 3 if none ran: that is not a pass.
 */
public final class GpuSuite {
    private GpuSuite() {}

    /** Runs the suite; arguments are folders on the class path. */
    public static void main(String[] roots) {
        Set<Path> folders =
                new LinkedHashSet<>(Arrays.stream(roots).map(Path::of).toList());
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClasspathRoots(folders))
                .filters(TagFilter.includeTags("gpu"))
                .build();
        SummaryGeneratingListener listener = new SummaryGeneratingListener();
        LauncherFactory.create().execute(request, listener);
        TestExecutionSummary summary = listener.getSummary();
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        summary.printFailuresTo(out, 12);
        out.printf(
                "gpu suite: %d tests passed, %d failed, %d skipped, %.1f s%n",
                summary.getTestsSucceededCount(),
                summary.getTotalFailureCount(),
                summary.getTestsSkippedCount() + summary.getTestsAbortedCount(),
                (summary.getTimeFinished() - summary.getTimeStarted()) / 1e3);
        if (summary.getTotalFailureCount() > 0) {
            System.exit(1);
        }
        if (summary.getTestsSucceededCount() == 0) {
            out.println("gpu suite: NO GPU TEST RAN; nothing is shown by this run");
            System.exit(3);
        }
    }
}
