/** Devices and attention kernels behind the SPI. */
@NullMarked
package io.kvmanager.kernels;

import org.jspecify.annotations.NullMarked;
