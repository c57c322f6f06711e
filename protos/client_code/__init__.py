"""Client code made from the contract, for engines that must not get a protobuf runtime."""
