//! Exact arithmetic of the pools that a vault may trade with.
