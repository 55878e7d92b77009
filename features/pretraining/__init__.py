"""Pretrain backbones on chips without labels: SimCLR, BYOL and FCMAE.

The backbones are those of `features.networks`; `features/README.md` says when to use which method.
"""
