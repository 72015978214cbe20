package io.kvmanager.inference.cli;

import io.kvmanager.KvCacheException;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** Turns what was thrown into one line on standard error and an exit status. */
final class Failures {
    /** Something went wrong that is not the user's doing. */
    static final int FAILED = 1;
    /** The input cannot be used; nothing was written. */
    static final int BAD_INPUT = 2;

    private final Console console;

    Failures(Console console) {
        this.console = console;
    }

    /** What a command threw. */
    int failed(Exception failure, CommandLine commandLine, CommandLine.ParseResult parsed) {
        if (console.verbose()) {
            failure.printStackTrace(console.err());
        }
        boolean input = failure instanceof BadInput
                || failure instanceof IllegalArgumentException
                || failure instanceof KvCacheException;
        String message = String.valueOf(failure.getMessage());
        if (failure instanceof KvCacheException.OutOfMemory shortage) {
            message = outOfMemory(shortage);
        }
        console.error(input ? message : failure.getClass().getSimpleName() + ": " + message + " (-v shows where)");
        return input ? BAD_INPUT : FAILED;
    }

    /** The ledger of an out-of-memory error is for the log; the line says what to change. */
    private static String outOfMemory(KvCacheException.OutOfMemory shortage) {
        String message = String.valueOf(shortage.getMessage());
        int ledger = message.indexOf("; ledger");
        return ledger < 0 ? message : message.substring(0, ledger);
    }

    /** Words that picocli could not place. */
    int refused(CommandLine.ParameterException refusal, String[] words) {
        CommandLine command = refusal.getCommandLine();
        console.error(
                switch (refusal) {
                    case CommandLine.UnmatchedArgumentException unmatched -> unmatched(command, unmatched);
                    case CommandLine.MissingParameterException missing -> missing(command, missing, words);
                    default -> String.valueOf(refusal.getMessage());
                });
        return BAD_INPUT;
    }

    private static String unmatched(CommandLine command, CommandLine.UnmatchedArgumentException unmatched) {
        String word = unmatched.getUnmatched().getFirst();
        CommandSpec spec = command.getCommandSpec();
        if (unmatched.isUnknownOption()) {
            return unknownOption(spec, word);
        }
        if (!spec.subcommands().isEmpty()) {
            return "unknown command '" + word + "'; accepted: "
                    + String.join(", ", spec.subcommands().keySet());
        }
        return "'" + word + "' is one word too many for " + spec.qualifiedName() + "; accepted: " + options(spec)
                + " (a value with spaces goes in quotes)";
    }

    private static String unknownOption(CommandSpec spec, String word) {
        return "unknown option '" + word + "' of " + spec.qualifiedName() + "; accepted: " + options(spec);
    }

    /** A flag that is missing is often one that was misspelt: then that word is named. */
    private static String missing(CommandLine command, CommandLine.MissingParameterException missing, String[] words) {
        for (String word : words) {
            String name = word.split("=", 2)[0];
            if (name.startsWith("--") && command.getCommandSpec().findOption(name) == null) {
                return unknownOption(command.getCommandSpec(), name);
            }
        }
        List<String> absent = new ArrayList<>();
        missing.getMissing().forEach(argument -> {
            if (argument instanceof CommandLine.Model.OptionSpec option) {
                absent.add(option.longestName() + " " + option.paramLabel());
            }
        });
        String name = command.getCommandSpec().qualifiedName();
        return absent.isEmpty()
                ? String.valueOf(missing.getMessage())
                : name + " needs " + String.join(" and ", absent) + "; " + name + " --help shows all";
    }

    private static String options(CommandSpec spec) {
        TreeSet<String> names = new TreeSet<>();
        spec.options().forEach(option -> names.add(option.longestName()));
        return String.join(", ", names);
    }
}
