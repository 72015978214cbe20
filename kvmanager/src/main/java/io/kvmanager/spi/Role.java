package io.kvmanager.spi;

/**
 * What the rows of a block are. {@link #VALUE} and {@link #QUERY} rows lie as {@code CacheGeometry} says; how a block of
 * {@link #KEY} rows is laid out is the business of the kernels, and the same for every tile of a slab.
 */
public enum Role {
    KEY,
    VALUE,
    QUERY
}
