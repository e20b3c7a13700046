//! Quantitative models in `f64`, through `libm` so that every platform computes the same bits.
