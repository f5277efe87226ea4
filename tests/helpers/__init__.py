"""What tests share: clients, servers and stores to test against, and a stand-in engine."""
