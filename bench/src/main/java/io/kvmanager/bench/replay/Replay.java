package io.kvmanager.bench.replay;

import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.Kv;
import java.util.List;

/** The {@code kv} command with {@code replay} among its commands. */
public final class Replay {
    private Replay() {}

    /** Runs and ends the process with the exit status. */
    public static void main(String[] words) {
        Console console = Console.ofProcess();
        System.exit(Kv.run(console, List.of(new ReplayCommand(console)), words));
    }
}
