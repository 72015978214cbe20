package io.kvmanager.inference.model;

/** A model's file cannot be used: one line that names the file, what is wrong with it, and what is accepted. */
public final class ModelFormatException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    /** Says what is wrong with {@code file}. */
    public ModelFormatException(String file, String problem) {
        super(file + ": " + problem);
    }

    /** Says what is wrong with {@code file}, and what was thrown on the way. */
    public ModelFormatException(String file, String problem, Throwable cause) {
        super(file + ": " + problem, cause);
    }
}
