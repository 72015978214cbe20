package io.kvmanager.spi;

/**
 * Where one layer's V is. Logical block {@code b} is in device memory, or has a home, or both.
 *
 * @param blocks logical blocks
 * @param values device block of each logical block, or absent
 * @param homes home of each logical block, or absent
 * @param summaryBlocks entries of {@code summaries} in use
 * @param summaries blocks of means ({@code blockTokens} to a block), or of the shadows' ranges; absent before the first
 *     settled block
 * @param codes blocks of the shadows' codes; empty without shadows
 */
public record ValueTables(
        DeviceCount blocks,
        IntTable values,
        IntTable homes,
        DeviceCount summaryBlocks,
        IntTable summaries,
        IntTable codes) {}
