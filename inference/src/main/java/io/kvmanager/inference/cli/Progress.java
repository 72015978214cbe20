package io.kvmanager.inference.cli;

import java.util.Locale;

/**
 * A line on standard error that says how far a task is: only on a terminal, only once the task has taken a while, and
 * gone when it is closed. One thread at a time.
 */
public final class Progress implements AutoCloseable {
    private static final long FIRST_NANOS = 700_000_000L;
    private static final long EVERY_NANOS = 100_000_000L;
    private static final int BAR_CELLS = 24;
    private static final String CLEAR = "\r\u001b[K";

    private final Console console;
    private final long start = System.nanoTime();
    private long drawn;
    private boolean shown;

    /** Nothing is shown yet; the time counts from here. */
    public Progress(Console console) {
        this.console = console;
    }

    /**
     * Shows how far {@code task} is.
     *
     * @param task what is going on, a few words
     * @param done steps done
     * @param total steps in all
     */
    public void step(String task, long done, long total) {
        long now = System.nanoTime();
        boolean due = now - start > FIRST_NANOS && (!shown || now - drawn > EVERY_NANOS);
        if (!console.progress() || !due) {
            return;
        }
        shown = true;
        drawn = now;
        double share = total == 0 ? 1 : (double) done / total;
        int cells = (int) Math.round(share * BAR_CELLS);
        String full = console.unicode() ? "━" : "=";
        String rest = console.unicode() ? "─" : "-";
        console.err()
                .print(CLEAR
                        + full.repeat(cells)
                        + rest.repeat(BAR_CELLS - cells)
                        + String.format(Locale.ROOT, " %3.0f %%  %s", 100 * share, task));
        console.err().flush();
    }

    /** Takes the line away, so that results can be written; the next step draws it again. */
    void hide() {
        if (shown) {
            console.err().print(CLEAR);
            console.err().flush();
            shown = false;
        }
    }

    @Override
    public void close() {
        hide();
    }
}
