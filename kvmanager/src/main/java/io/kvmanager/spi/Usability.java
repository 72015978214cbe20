package io.kvmanager.spi;

/** Whether a provider can run here, and if not, why not, in one line. */
public sealed interface Usability {

    /** @param detail what was found, such as the vector width or the card's name */
    record Usable(String detail) implements Usability {}

    /** @param reason one line for the user */
    record Unusable(String reason) implements Usability {}
}
