/** What an engine sees of the cache: the facade, its configuration and its errors. */
@NullMarked
package io.kvmanager;

import org.jspecify.annotations.NullMarked;
