/** Sets the context of a transaction. It gives no row, so that the context isn't sent back. */
export const SET_CONTEXT = "select where pg_catalog.set_config('daybook.context', $1, true) is null"
