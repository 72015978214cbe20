package io.kvmanager.spi;

/** Whether a provider can run here, and if not, why not, in one line. */
public sealed interface Usability {

    /**
     * Can run.
     *
     * @param detail what was found, such as the vector width or the card's name
     */
    record Usable(String detail) implements Usability {}

    /**
     * Cannot run.
     *
     * @param reason one line for the user
     */
    record Unusable(String reason) implements Usability {}
}
