/** What a back end, a device or a tier implements to be found by the cache. */
@NullMarked
package io.kvmanager.spi;

import org.jspecify.annotations.NullMarked;
