// Each of these tests uses a whole machine's worth of server, clients or faults; side by side they would measure each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
