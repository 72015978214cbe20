package io.kvmanager.spi;

/**
 * What the rows of a block are. Rows of V and stored queries lie as {@code CacheGeometry} says; how K is laid out is
 * the business of the kernels, and the same for every block of a slab.
 */
public enum Role {
    KEY,
    VALUE,
    QUERY
}
