/** Blocks, block tables, prefix sharing and retention. */
@NullMarked
package io.kvmanager.paging;

import org.jspecify.annotations.NullMarked;
