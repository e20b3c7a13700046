// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Mark} from "./Books.sol";
import {IOptionHolder} from "./interfaces/IOptionHolder.sol";
import {IRebalancingVault} from "./interfaces/IRebalancingVault.sol";
import {Bound} from "./libraries/Bound.sol";
import {FloorLedger} from "./libraries/FloorLedger.sol";
import {OptionEpoch} from "./libraries/OptionEpoch.sol";
import {VaultBase} from "./VaultBase.sol";

/// @title The users' part: ERC-4626 on tracked holdings, with fees, and the exit in kind
/// @notice Deposits and withdrawals need a fresh oracle, no pause and no open option; then they happen at oracle NAV, less a fee that
/// the vault keeps and that covers what the feeds may leave unreported.
abstract contract VaultUsers is VaultBase {
    using SafeERC20 for IERC20;

    /// @dev Keeps every product below 2^256.
    uint256 private constant MAX_ASSET = type(uint96).max;

    // ---------------------------------------------------------------- entering and leaving

    /// @inheritdoc IERC4626
    function deposit(uint256 assets, address receiver)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 shares)
    {
        Mark memory m = _requireOpen();
        (uint256 nav, uint256 supply) = (m.nav, totalSupply());
        _forgetDust(nav);
        shares = super.deposit(assets, receiver);
        _settle(m, nav, supply);
    }

    /// @inheritdoc IERC4626
    function mint(uint256 shares, address receiver)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 assets)
    {
        Mark memory m = _requireOpen();
        (uint256 nav, uint256 supply) = (m.nav, totalSupply());
        _forgetDust(nav);
        assets = super.mint(shares, receiver);
        _settle(m, nav, supply);
    }

    /// @inheritdoc IERC4626
    function withdraw(uint256 assets, address receiver, address shareOwner)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 shares)
    {
        Mark memory m = _requireOpen();
        (uint256 nav, uint256 supply) = (m.nav, totalSupply());
        shares = super.withdraw(assets, receiver, shareOwner);
        _settle(m, nav, supply);
    }

    /// @inheritdoc IERC4626
    function redeem(uint256 shares, address receiver, address shareOwner)
        public
        override(ERC4626, IERC4626)
        nonReentrant
        returns (uint256 assets)
    {
        Mark memory m = _requireOpen();
        (uint256 nav, uint256 supply) = (m.nav, totalSupply());
        assets = super.redeem(shares, receiver, shareOwner);
        _settle(m, nav, supply);
    }

    /// @inheritdoc IRebalancingVault
    function redeemInKind(uint256 shares, address receiver, address shareOwner)
        external
        nonReentrant
        returns (uint256 assetAmount, uint256 riskyAmount)
    {
        OptionEpoch.requireExits(_books);
        if (msg.sender != shareOwner) _spendAllowance(shareOwner, msg.sender, shares);
        uint256 supply = totalSupply() + FloorLedger.VIRTUAL_SHARES;
        _burn(shareOwner, shares);
        assetAmount = Math.mulDiv(_books.trackedAsset, shares, supply);
        riskyAmount = Math.mulDiv(_books.trackedRisky, shares, supply);
        _books.trackedRisky -= SafeCast.toUint128(riskyAmount);
        if (totalSupply() == 0) _close();
        emit RedeemedInKind(msg.sender, receiver, shareOwner, shares, assetAmount, riskyAmount);
        if (assetAmount != 0) _pay(receiver, assetAmount);
        if (riskyAmount != 0) RISKY.safeTransfer(receiver, riskyAmount);
    }

    // ---------------------------------------------------------------- options

    /// @inheritdoc IOptionHolder
    function settleOption(uint64 id, uint256 amount) external nonReentrant {
        Mark memory m = _mark();
        OptionEpoch.settle(_books, IERC20(asset()), id, amount);
        _revalue(m);
        _watch(m);
    }

    /// @inheritdoc IOptionHolder
    function epochOpen() external view returns (bool) {
        return OptionEpoch.isOpen(_books);
    }

    // ---------------------------------------------------------------- views

    /// @notice NAV, without what open options will pay; at the last known answers where the oracle is not fresh, since this must not revert.
    function totalAssets() public view override(ERC4626, IERC4626) returns (uint256) {
        Mark memory m;
        (, m.price) = _oracle();
        _revalue(m);
        return m.nav;
    }

    /// @inheritdoc IERC4626
    function maxDeposit(address) public view override(ERC4626, IERC4626) returns (uint256) {
        return _isOpen() ? Math.saturatingSub(MAX_ASSET, _books.trackedAsset) : 0;
    }

    /// @inheritdoc IERC4626
    function maxMint(address receiver) public view override(ERC4626, IERC4626) returns (uint256) {
        return previewDeposit(maxDeposit(receiver));
    }

    /// @notice Shares that can be redeemed for asset: those of the owner, as far as idle asset reaches and the exposure
    /// stays within the bound of the cushion that is left. `redeemInKind` takes the rest.
    function maxRedeem(address shareOwner) public view override(ERC4626, IERC4626) returns (uint256) {
        if (!_isOpen()) return 0;
        Mark memory m = _mark();
        uint256 paid = Math.min(_books.trackedAsset, _payableWithinBound(m));
        uint256 shares = _toShares(m, _beforeExitFee(paid, m, Math.Rounding.Floor));
        return Math.min(balanceOf(shareOwner), shares);
    }

    /// @inheritdoc IERC4626
    function previewDeposit(uint256 assets) public view override(ERC4626, IERC4626) returns (uint256) {
        uint256 fee = _feeBps(_books.parameters.entryFeeBps, _lastMark());
        return super.previewDeposit(assets - Math.mulDiv(assets, fee, BPS + fee, Math.Rounding.Ceil));
    }

    /// @inheritdoc IERC4626
    function previewMint(uint256 shares) public view override(ERC4626, IERC4626) returns (uint256) {
        uint256 assets = super.previewMint(shares);
        return assets + _feeOn(assets, _feeBps(_books.parameters.entryFeeBps, _lastMark()));
    }

    /// @inheritdoc IERC4626
    function previewWithdraw(uint256 assets) public view override(ERC4626, IERC4626) returns (uint256) {
        return super.previewWithdraw(_beforeExitFee(assets, _lastMark(), Math.Rounding.Ceil));
    }

    /// @inheritdoc IERC4626
    function previewRedeem(uint256 shares) public view override(ERC4626, IERC4626) returns (uint256) {
        uint256 assets = super.previewRedeem(shares);
        return assets - _feeOn(assets, _feeBps(_books.parameters.exitFeeBps, _lastMark()));
    }

    // ---------------------------------------------------------------- arithmetic

    function _lastMark() private view returns (Mark memory m) {
        (m.status, m.price) = _oracle();
        _revalue(m);
    }

    function _isOpen() private view returns (bool) {
        (OracleStatus status,) = _oracle();
        return !OptionEpoch.isOpen(_books) && block.timestamp >= _books.pausedUntil && status == OracleStatus.Fresh;
    }

    function _requireOpen() private view returns (Mark memory) {
        OptionEpoch.requireClosed(_books);
        return _requireFresh();
    }

    /// @dev Neither paused nor degraded.
    function _requireFresh() internal view returns (Mark memory m) {
        require(block.timestamp >= _books.pausedUntil, Paused(_books.pausedUntil));
        m = _lastMark();
        require(m.status == OracleStatus.Fresh, OracleNotFresh(m.status));
    }

    /// @dev Less than one whole asset is no vault yet, or none any more: whoever comes first or leaves last with dust must
    /// not choose the floor, nor the cash-lock, of those who come.
    function _forgetDust(uint256 nav) private {
        if (nav < 10 ** ASSET_DECIMALS) _close();
    }

    /// @dev At least what the feeds may leave unreported of the risky part: nobody profits from knowing better. Of what a
    /// deposit is worth on the way in, of what shares are worth on the way out: a share at most f too cheap costs 1 + f, and
    /// one at most f too dear pays 1 - f.
    function _feeBps(uint256 lowest, Mark memory m) private view returns (uint256) {
        if (m.nav == 0) return lowest;
        return Math.max(lowest, Math.mulDiv(_books.parameters.feedDeviationBps, m.exposure, m.nav, Math.Rounding.Ceil));
    }

    function _feeOn(uint256 assets, uint256 fee) private pure returns (uint256) {
        return Math.mulDiv(assets, fee, BPS, Math.Rounding.Ceil);
    }

    /// @dev What is taken off the vault so that this much is paid out.
    function _beforeExitFee(uint256 paid, Mark memory m, Math.Rounding rounding) private view returns (uint256) {
        return Math.mulDiv(paid, BPS, BPS - _feeBps(_books.parameters.exitFeeBps, m), rounding);
    }

    /// @dev Floor and NAV fall in proportion, so the cushion does, until the exposure is at the bound; or until it is dust.
    /// Two units and four in the last digit of the floor per share are left for the roundings.
    function _payableWithinBound(Mark memory m) private view returns (uint256) {
        if (m.exposure == 0) return m.nav;
        uint256 room = Math.mulDiv(m.exposure, BPS, _books.parameters.boundBps, Math.Rounding.Ceil) + 2;
        room += FloorLedger.inAssets(4, totalSupply());
        uint256 least = Math.mulDiv(room, m.nav + 1, m.cushion + 1, Math.Rounding.Ceil);
        return Math.saturatingSub(m.nav, Math.min(least, m.exposure * Bound.DUST_DIVISOR));
    }

    function _toShares(Mark memory m, uint256 assets) private view returns (uint256) {
        return Math.mulDiv(assets, totalSupply() + FloorLedger.VIRTUAL_SHARES, m.nav + 1);
    }

    // ---------------------------------------------------------------- holdings

    function _transferIn(address from, uint256 assets) internal override {
        uint256 before = IERC20(asset()).balanceOf(address(this));
        super._transferIn(from, assets);
        uint256 moved = IERC20(asset()).balanceOf(address(this)) - before;
        require(moved == assets, TransferMismatch(assets, moved));
        _books.trackedAsset += SafeCast.toUint128(assets);
    }

    function _transferOut(address to, uint256 assets) internal override {
        _pay(to, assets);
    }
}
