"""The only room that knows Ray: where lanes run, and the actor that hosts the ledger."""
