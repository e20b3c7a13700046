//! The vault's option book as read.

use crate::domain::snapshot::{ImpliedVolatility, OptionBook, OptionKind, OptionLeg};
use crate::protocols::abi::ISnapshotReader;

/// The book's open legs as facts; `None` where it could not be read. A leg for which the volatility feed does not answer
/// has no implied volatility, and neither has one whose answer was never updated.
#[must_use]
pub fn facts(book: &ISnapshotReader::OptionBook) -> Option<OptionBook> {
    let legs = book.legs.iter().map(leg).collect();
    book.ok.then_some(OptionBook { address: book.book, legs })
}

fn leg(leg: &ISnapshotReader::Leg) -> OptionLeg {
    let implied = ImpliedVolatility { annual: leg.annual, updated_at: leg.updatedAt };
    OptionLeg {
        id: leg.id,
        kind: if leg.isCall { OptionKind::Call } else { OptionKind::Put },
        strike: leg.strike,
        expiry: leg.expiry,
        size: leg.size,
        implied: (leg.impliedOk && leg.updatedAt != 0).then_some(implied),
    }
}
