package io.kvmanager.bench;

import io.kvmanager.inference.cli.Console;
import io.kvmanager.inference.cli.Kv;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.openjdk.jmh.Main;
import picocli.CommandLine;

/**
 * {@code kv bench NAME}: {@code attention} measures attention against the read roof of the same run,
 * {@code attention-gpu} does so on a device, {@code decode} compares caches at a memory budget, {@code transfer}
 * measures copies between the tiers, {@code jmh} hands
 * everything behind it to JMH.
 */
public final class Bench {
    private static final String USAGE = """
        usage: kv bench NAME [arguments]
          attention [--tokens n] [--rounds n] [--bytes n] [--plain] [--json FILE]
                    attention over scattered blocks, beside the read roof of the same run
          attention-gpu [--device d] [--cases BxN,...] [--types F16,...] [--rounds n] [--json FILE]
                    attention of a batch on a device, beside its copy bandwidth
          decode [--device-bytes size] [--cache list] [--json FILE] ...
                    tokens a second of as many sequences as a memory budget holds, cache by cache; decode --help
          transfer [--device d] [--pieces 4k,...] [--bytes n] [--rounds n] [--json FILE]
                    copies between the tiers, by size of the piece and way of copying; contents are checked
          allocator [JMH arguments]   what the block manager itself costs, with allocation per operation
          jmh [JMH arguments]         every benchmark; jmh -l lists them\
        """;

    private Bench() {}

    /** Runs one benchmark; exit status 2 on a name that is not one. */
    public static void main(String[] arguments) throws IOException {
        String name = arguments.length == 0 ? "--help" : arguments[0];
        String[] rest = Arrays.copyOfRange(arguments, Math.min(1, arguments.length), arguments.length);
        switch (name) {
            case "attention" -> AttentionRoof.main(rest);
            case "attention-gpu" -> DeviceAttention.main(rest);
            case "decode" -> decode(rest);
            case "transfer" -> System.exit(TransferCommand.run(Console.ofProcess(), rest));
            case "allocator" -> Main.main(joined(List.of("AllocatorBenchmark|PrefixBenchmark", "-prof", "gc"), rest));
            case "jmh" -> Main.main(rest);
            case "--help", "-h" -> System.out.println(USAGE);
            default -> {
                System.err.println("kv bench: '" + name
                        + "' is unknown; accepted: attention, attention-gpu, decode, transfer, allocator, jmh");
                System.exit(2);
            }
        }
    }

    private static void decode(String[] rest) {
        Console console = Console.ofProcess();
        CommandLine group =
                new CommandLine(CommandLine.Model.CommandSpec.create().name("bench"));
        group.addSubcommand(new DecodeCommand(console));
        System.exit(Kv.run(console, List.of(group), joined(List.of("bench", "decode"), rest)));
    }

    private static String[] joined(List<String> first, String[] rest) {
        String[] all = Arrays.copyOf(first.toArray(String[]::new), first.size() + rest.length);
        System.arraycopy(rest, 0, all, first.size(), rest.length);
        return all;
    }
}
