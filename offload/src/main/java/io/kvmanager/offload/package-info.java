/** Tiers below the device and the choice of what is fetched from them. */
@NullMarked
package io.kvmanager.offload;

import org.jspecify.annotations.NullMarked;
