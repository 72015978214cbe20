package io.kvmanager.inference.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** The {@code kv} command. {@link #run} is the whole program, with streams that the caller gives. */
@Command(
        name = "kv",
        description = "Runs language models on the JVM with a KV cache that keeps less.",
        synopsisSubcommandLabel = "<command>",
        commandListHeading = "%nCommands:%n",
        subcommandsRepeatable = false,
        footer = {
            "",
            "Also: kv replay serves a recorded trace from a cache of prefixes, kv stress serves random load while"
                    + " things",
            "go wrong, kv bench measures speed.",
            "Start with: kv demo",
            "Every command has --help. Exit status: 0 done, 1 failed, 2 bad input (nothing was written)."
        })
public final class Kv implements Runnable {
    private final Console console;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Option(
            names = {"-v", "--verbose"},
            scope = ScopeType.INHERIT,
            description = "Logs what is chosen and why, and shows where an error comes from.")
    void verbose(boolean verbose) {
        console.verbose(verbose);
        if (verbose) {
            System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "info");
        }
    }

    private Kv(Console console) {
        this.console = console;
    }

    /** Runs and ends the process with the exit status. */
    public static void main(String[] words) {
        System.exit(run(Console.ofProcess(), words));
    }

    /** Runs one command line and returns its exit status. */
    static int run(Console console, String... words) {
        return run(console, List.of(), words);
    }

    /**
     * Runs one command line and returns its exit status.
     *
     * @param more commands of other modules, annotated like those of this one
     */
    public static int run(Console console, List<?> more, String... words) {
        CommandLine commandLine = new CommandLine(new Kv(console));
        commandLine.addSubcommand(new DemoCommand(console));
        commandLine.addSubcommand(new GenerateCommand(console));
        commandLine.addSubcommand(new CompareCommand(console));
        commandLine.addSubcommand(new CalibrateCommand(console));
        commandLine.addSubcommand(new PlanCommand(console));
        commandLine.addSubcommand(new DevicesCommand(console));
        more.forEach(commandLine::addSubcommand);

        commandLine.getSubcommands().values().forEach(Kv::configure);
        configure(commandLine);
        Failures failures = new Failures(console);
        return commandLine
                .setExpandAtFiles(false) // a prompt may begin with @
                .registerConverter(int.class, Kv::wholeNumber)
                .registerConverter(long.class, Kv::longNumber)
                .registerConverter(double.class, Kv::number)
                .setParameterExceptionHandler(failures::refused)
                .setExecutionExceptionHandler(failures::failed)
                .setOut(new PrintWriter(console.out(), true, StandardCharsets.UTF_8))
                .setErr(new PrintWriter(console.err(), true, StandardCharsets.UTF_8))
                .execute(words);
    }

    private static void configure(CommandLine command) {
        CommandSpec spec = command.getCommandSpec();
        spec.mixinStandardHelpOptions(true).versionProvider(Machine::versions);
        spec.usageMessage().optionListHeading("%nOptions:%n").sortOptions(false);
    }

    /** Without a command: what there is. */
    @Override
    public void run() {
        spec.commandLine().usage(console.out());
    }

    private static Integer wholeNumber(String text) {
        return Math.toIntExact(parsed(text, "a whole number up to 2147483647", () -> (long) Integer.parseInt(text)));
    }

    private static Long longNumber(String text) {
        return parsed(text, "a whole number", () -> Long.parseLong(text));
    }

    private static Double number(String text) {
        return parsed(text, "a number", () -> Double.parseDouble(text));
    }

    private static <T> T parsed(String text, String accepted, Supplier<T> parser) {
        try {
            return parser.get();
        } catch (NumberFormatException e) {
            throw new TypeConversionException("'" + text + "' is not accepted; accepted: " + accepted);
        }
    }
}
