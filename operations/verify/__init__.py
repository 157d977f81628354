"""The reconciliation: does the log agree with what the stores say was done (design §9, `verify`)?

`evidence` says what is compared; `reading`, `stores` and `dead_letters` gather it; `reconcile` compares it;
`flows` compares the steps of an order in one; `reconciliation` is the outcome.

This package shares nothing with the runtime that it checks: it reads topics by itself, stores by SQL of its
own, and knows only `schemas` and the reading tools of `operations`. What it knows of consumers is the
contract written down in `evidence`.
"""
