package io.kvmanager.inference.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * Where a command writes: results to {@link #out}, the rest to {@link #err}, both UTF-8. Knows whether a terminal shows
 * them, and so whether colour and progress make sense.
 */
public final class Console {
    private final PrintStream out;
    private final PrintStream err;
    private final boolean colour;
    private final boolean progress;
    private final boolean unicode;
    private boolean verbose;

    /**
     * Writes to streams of the caller's.
     *
     * @param out results
     * @param err errors and progress
     * @param colour whether {@code out} shows colours
     * @param progress whether {@code err} is a terminal that can redraw a line
     * @param unicode whether block characters can be shown
     */
    public Console(PrintStream out, PrintStream err, boolean colour, boolean progress, boolean unicode) {
        this.out = out;
        this.err = err;
        this.colour = colour;
        this.progress = progress;
        this.unicode = unicode;
    }

    /** The process's own streams. */
    public static Console ofProcess() {
        String noColour = System.getenv("NO_COLOR");
        boolean dumb = "dumb".equals(System.getenv("TERM"));
        boolean plain = dumb || (noColour != null && !noColour.isEmpty());
        String encoding = System.getProperty("stdout.encoding", "").toUpperCase(Locale.ROOT);
        return new Console(
                stream(FileDescriptor.out),
                stream(FileDescriptor.err),
                !plain && Terminal.STANDARD_OUTPUT.isTerminal(),
                !dumb && Terminal.STANDARD_ERROR.isTerminal(),
                encoding.equals("UTF-8"));
    }

    private static PrintStream stream(FileDescriptor descriptor) {
        return new PrintStream(new FileOutputStream(descriptor), true, StandardCharsets.UTF_8);
    }

    PrintStream out() {
        return out;
    }

    PrintStream err() {
        return err;
    }

    boolean progress() {
        return progress;
    }

    /** Whether bars may be drawn with block characters; else with ASCII. */
    boolean unicode() {
        return unicode;
    }

    boolean verbose() {
        return verbose;
    }

    void verbose(boolean value) {
        verbose = value;
    }

    /** One line of results. */
    public void line(String text) {
        out.println(text);
    }

    /** Exactly one line on standard error. */
    public void error(String message) {
        err.println("kv: " + message.strip().replaceAll("\\s*\\R\\s*", " "));
    }

    String bold(String text) {
        return styled("1", text);
    }

    String dim(String text) {
        return styled("2", text);
    }

    String green(String text) {
        return styled("32", text);
    }

    String yellow(String text) {
        return styled("33", text);
    }

    private String styled(String code, String text) {
        return colour ? "\u001b[" + code + "m" + text + "\u001b[0m" : text;
    }
}
