//! New blocks, by polling.

use std::time::Duration;

use super::{ChainError, Endpoint, Header};

/// A head that differs from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHead {
    /// The head.
    pub header: Header,
    /// How many heights between the previous head and this one were never seen as head.
    pub skipped: u64,
    /// Whether the previous head is certainly no longer canonical: this head is not higher, or is the next height
    /// with another parent. After skipped heights it is not known and reads `false`.
    pub replaced_previous: bool,
}

impl NewHead {
    fn after(previous: &Header, header: Header) -> Self {
        let advance = header.number.saturating_sub(previous.number);
        let replaced_previous = match advance {
            0 => true,
            1 => header.parent_hash != previous.hash,
            _ => false,
        };
        Self { header, skipped: advance.saturating_sub(1), replaced_previous }
    }
}

/// Waits until the head of the chain is another than `previous`, asking every `interval`.
///
/// Without a previous head the current one is returned at once.
///
/// # Errors
/// The first failed call; the caller decides when to ask again.
pub async fn next_head(
    endpoint: &Endpoint,
    previous: Option<&Header>,
    interval: Duration,
) -> Result<NewHead, ChainError> {
    loop {
        let header = endpoint.latest_header().await?;
        let Some(previous) = previous else {
            return Ok(NewHead { header, skipped: 0, replaced_previous: false });
        };
        if header.hash != previous.hash {
            return Ok(NewHead::after(previous, header));
        }
        tokio::time::sleep(interval).await;
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;

    use super::*;

    fn header(number: u64, hash: u8, parent: u8) -> Header {
        Header {
            number,
            hash: B256::repeat_byte(hash),
            parent_hash: B256::repeat_byte(parent),
            timestamp: 0,
            gas_limit: 30_000_000,
            gas_used: 0,
            base_fee_per_gas: Some(1),
            blob_gas_used: None,
            extra_data: alloy::primitives::Bytes::new(),
        }
    }

    #[test]
    fn the_next_block_skips_nothing_and_replaces_nothing() {
        let head = NewHead::after(&header(7, 1, 0), header(8, 2, 1));
        assert_eq!((head.skipped, head.replaced_previous), (0, false));
    }

    #[test]
    fn skipped_heights_are_counted() {
        let head = NewHead::after(&header(7, 1, 0), header(11, 2, 9));
        assert_eq!((head.skipped, head.replaced_previous), (3, false));
    }

    #[test]
    fn another_block_at_or_below_the_same_height_replaces_the_previous_head() {
        assert!(NewHead::after(&header(7, 1, 0), header(7, 2, 0)).replaced_previous);
        assert!(NewHead::after(&header(7, 1, 0), header(5, 2, 0)).replaced_previous);
        assert!(NewHead::after(&header(7, 1, 0), header(8, 2, 3)).replaced_previous);
    }
}
