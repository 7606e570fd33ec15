"""A second reader of Holdfast's vaults, written from docs/format.md and from nothing else."""
