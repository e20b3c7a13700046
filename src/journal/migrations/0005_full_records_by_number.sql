-- What is recorded of a height and has not left the chain is looked for with each head; of full records too, since one may be
-- there without the record of its block.
CREATE INDEX cycles_by_number ON cycles (chain_id, block_number) WHERE orphaned = 0;
