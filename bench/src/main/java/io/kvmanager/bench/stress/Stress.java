package io.kvmanager.bench.stress;

import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.Kv;
import java.util.List;

/** The {@code kv} command with {@code stress} among its commands. */
public final class Stress {
    private Stress() {}

    /** Runs and ends the process with the exit status. */
    public static void main(String[] words) {
        Console console = Console.ofProcess();
        System.exit(Kv.run(console, List.of(new StressCommand(console)), words));
    }
}
