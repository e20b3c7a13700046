//! The option book.
