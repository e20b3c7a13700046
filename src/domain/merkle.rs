//! One hash for the decisions on all vaults at a block, and proofs that a decision is in it.
//!
//! The tree is that of RFC 6962, section 2.1, over keccak256: leaves and nodes are hashed with different first bytes, so that
//! no node passes for a leaf, and the last node of a level of odd length is promoted to the next one unchanged. Like there a
//! root tells nothing without the number of leaves that it was made of: a [`TreeHead`] has both.

use alloy::primitives::{Address, B256, Keccak256, keccak256};

/// Most nodes of a level that is stored with its root.
pub const STORED_NODES: usize = 64;

/// What a tree says: how many leaves it has, and its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of leaves.
    pub leaves: u64,
    /// The root; keccak256 of nothing where there is no leaf.
    pub root: B256,
}

/// All levels over some nodes, which are the leaves of a tree or one of its levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The nodes themselves first, the root last.
    levels: Vec<Vec<B256>>,
}

/// That a leaf is in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Place of the leaf, from 0.
    pub index: u64,
    /// Number of leaves of the tree.
    pub leaves: u64,
    /// The nodes that are missing on the way from the leaf to the root, lowest first.
    pub path: Vec<B256>,
}

/// The leaf of one decision: `keccak256(0x00 ‖ vault ‖ snapshot hash ‖ decision hash)`. The decision hash commits to the
/// version of the decision, the snapshot and the policy.
#[must_use]
pub fn leaf(vault: Address, snapshot_hash: B256, decision_hash: B256) -> B256 {
    hashed(0, &[vault.as_slice(), snapshot_hash.as_slice(), decision_hash.as_slice()])
}

/// `keccak256(0x01 ‖ left ‖ right)`.
fn node(left: B256, right: B256) -> B256 {
    hashed(1, &[left.as_slice(), right.as_slice()])
}

fn hashed(prefix: u8, parts: &[&[u8]]) -> B256 {
    let mut hash = Keccak256::new();
    hash.update([prefix]);
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize()
}

/// Number of nodes of the level at `height` of a tree of `leaves`: none without leaves, and one from the root on.
#[must_use]
pub const fn width(leaves: u64, height: u32) -> u64 {
    match 1_u64.checked_shl(height) {
        Some(below) => leaves.div_ceil(below),
        None => leaves.div_ceil(u64::MAX),
    }
}

/// Height of the lowest level of a tree of `leaves` that has at most [`STORED_NODES`] nodes.
#[must_use]
pub fn stored_height(leaves: u64) -> u32 {
    let fits = |height: &u32| width(leaves, *height) <= u64::try_from(STORED_NODES).unwrap_or(u64::MAX);
    (0..u64::BITS).find(fits).unwrap_or(u64::BITS)
}

impl Tree {
    /// The tree over `nodes`.
    #[must_use]
    pub fn over(nodes: Vec<B256>) -> Self {
        let mut levels = vec![nodes];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            levels.push(above(level));
        }
        Self { levels }
    }

    /// Its root; keccak256 of nothing where it is over nothing.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or_else(|| keccak256([]))
    }

    /// The lowest level that has at most [`STORED_NODES`] nodes.
    #[must_use]
    pub fn stored_level(&self) -> &[B256] {
        let level = self.levels.iter().find(|level| level.len() <= STORED_NODES);
        level.map_or(&[], Vec::as_slice)
    }

    /// The path from the node at `index` to the root, lowest first; `None` where there is no such node.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<Vec<B256>> {
        self.levels.first()?.get(index)?;
        let mut index = index;
        let sibling = |level: &Vec<B256>| {
            let sibling = level.get(index ^ 1).copied();
            index >>= 1;
            sibling
        };
        Some(self.levels.iter().filter_map(sibling).collect())
    }
}

/// The level above.
fn above(nodes: &[B256]) -> Vec<B256> {
    let joined = |pair: &[B256]| match *pair {
        [left, right] => node(left, right),
        [last] => last,
        _ => B256::ZERO,
    };
    nodes.chunks(2).map(joined).collect()
}

impl Proof {
    /// Whether `leaf` stands at this place of the tree with this head: RFC 9162, section 2.1.3.2.
    #[must_use]
    pub fn verify(&self, leaf: B256, head: &TreeHead) -> bool {
        if self.leaves != head.leaves || self.index >= self.leaves {
            return false;
        }
        let (mut hash, mut index, mut width) = (leaf, self.index, self.leaves);
        let mut path = self.path.iter();
        while width > 1 {
            let promoted = index ^ 1 >= width;
            hash = match (promoted, path.as_slice(), index & 1) {
                (true, ..) => hash,
                (false, [], _) => return false,
                (false, [sibling, ..], 0) => node(hash, *sibling),
                (false, [sibling, ..], _) => node(*sibling, hash),
            };
            if !promoted {
                path.next();
            }
            index >>= 1;
            width = width.div_ceil(2);
        }
        path.next().is_none() && hash == head.root
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test fails where it stands")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: u64) -> Vec<B256> {
        let hash = |at: u64| keccak256(at.to_be_bytes());
        (0..count).map(|at| leaf(Address::with_last_byte(1), hash(at), hash(at + 1_000))).collect()
    }

    fn tree(count: u64) -> (Vec<B256>, Tree, TreeHead) {
        let leaves = leaves(count);
        let tree = Tree::over(leaves.clone());
        let head = TreeHead { leaves: count, root: tree.root() };
        (leaves, tree, head)
    }

    fn proof(tree: &Tree, index: usize) -> Proof {
        let leaves = tree.levels[0].len() as u64;
        Proof { index: index as u64, leaves, path: tree.path(index).unwrap() }
    }

    fn root(nodes: &[B256]) -> B256 {
        Tree::over(nodes.to_vec()).root()
    }

    /// The definition of RFC 6962: split at the largest power of two below the number of leaves.
    fn merkle_tree_hash(leaves: &[B256]) -> B256 {
        match leaves {
            [] => keccak256([]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(merkle_tree_hash(left), merkle_tree_hash(right))
            }
        }
    }

    #[test]
    fn leaves_and_nodes_are_hashed_as_documented() {
        let (vault, snapshot, decision) =
            (Address::repeat_byte(1), B256::repeat_byte(2), B256::repeat_byte(3));
        let bytes = [vec![0], vec![1; 20], vec![2; 32], vec![3; 32]].concat();
        assert_eq!(leaf(vault, snapshot, decision), keccak256(bytes));
        assert_eq!(root(&[snapshot, decision]), keccak256([vec![1], vec![2; 32], vec![3; 32]].concat()));
        assert_eq!(root(&[snapshot]), snapshot);
        assert_eq!(
            root(&[]).to_string(),
            "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
    }

    #[test]
    fn every_leaf_of_trees_of_up_to_200_leaves_is_proved_and_the_root_is_that_of_rfc_6962() {
        for count in 0..=200 {
            let (leaves, tree, head) = tree(count);
            assert_eq!(head.root, merkle_tree_hash(&leaves), "{count} leaves");
            for (index, leaf) in leaves.iter().enumerate() {
                assert!(proof(&tree, index).verify(*leaf, &head), "leaf {index} of {count}");
            }
            assert_eq!(tree.path(leaves.len()), None);
        }
    }

    #[test]
    fn no_leaf_is_proved_at_another_index_with_another_size_or_path() {
        for count in (1..=17).chain([33]) {
            let (leaves, tree, head) = tree(count);
            for (index, leaf) in leaves.iter().enumerate() {
                assert_unproved_otherwise(*leaf, &proof(&tree, index), &head);
            }
        }
    }

    fn assert_unproved_otherwise(leaf: B256, right: &Proof, head: &TreeHead) {
        let proves = |proof: &Proof| proof.verify(leaf, head);
        let count = head.leaves;
        let others = (0..=count + 1).filter(|other| *other != right.index);
        assert!(others.map(|index| Proof { index, ..right.clone() }).all(|other| !proves(&other)));
        let others = (0..=count * 2 + 2).filter(|other| *other != count);
        assert!(others.map(|leaves| Proof { leaves, ..right.clone() }).all(|other| !proves(&other)));
        for at in 0..right.path.len() {
            let [mut shorter, mut longer, mut swapped] = [right.clone(), right.clone(), right.clone()];
            shorter.path.remove(at);
            longer.path.insert(at, B256::ZERO);
            swapped.path.swap(at, 0);
            assert_eq!((proves(&shorter), proves(&longer), proves(&swapped)), (false, false, at == 0));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_changed_bit_is_proved(
            count in 1_u64..200,
            index: prop::sample::Index,
            bit in 0_usize..256,
            at: prop::sample::Index,
        ) {
            let (leaves, tree, head) = tree(count);
            let index = index.index(leaves.len());
            let right = proof(&tree, index);
            let flip = |hash: &mut B256| hash[bit / 8] ^= 1 << (bit % 8);
            let mut leaf = leaves[index];
            flip(&mut leaf);
            prop_assert!(!right.verify(leaf, &head));
            let mut other = head;
            flip(&mut other.root);
            prop_assert!(!right.verify(leaves[index], &other));
            if !right.path.is_empty() {
                let mut changed = right.clone();
                flip(&mut changed.path[at.index(right.path.len())]);
                prop_assert!(!changed.verify(leaves[index], &head));
            }
        }

        #[test]
        fn a_proof_through_the_stored_level_is_that_of_the_whole_tree(
            count in 0_u64..400,
            index: prop::sample::Index,
        ) {
            let (leaves, tree, head) = tree(count);
            let (height, level) = (stored_height(count), Tree::over(tree.stored_level().to_vec()));
            prop_assert_eq!(level.levels[0].len() as u64, width(count, height));
            prop_assert!(level.levels[0].len() <= STORED_NODES);
            prop_assert_eq!(level.root(), head.root);
            if count > 0 {
                let index = index.index(leaves.len());
                let subtree = index >> height;
                let first = subtree << height;
                let below = Tree::over(leaves[first..leaves.len().min(first + (1 << height))].to_vec());
                prop_assert_eq!(below.root(), level.levels[0][subtree]);
                let parts = [below.path(index - first).unwrap(), level.path(subtree).unwrap()].concat();
                prop_assert_eq!(parts, tree.path(index).unwrap());
            }
        }
    }

    #[test]
    fn the_stored_level_of_a_small_tree_is_its_leaves() {
        assert_eq!(
            (stored_height(0), stored_height(64), stored_height(65), stored_height(10_000)),
            (0, 0, 1, 8)
        );
        assert_eq!((width(10_000, 8), width(65, 1), width(1, 9), width(0, 3)), (40, 33, 1, 0));
        assert_eq!(stored_height(u64::MAX), 58);
    }
}
