package io.kvmanager;

/** Where bytes live. DEVICE is what attention computes from (HBM on a GPU); HOST is pinned host memory. */
public enum Tier {
    DEVICE,
    HOST
}
