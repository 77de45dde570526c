using Xunit.Sdk;
using Xunit.v3;

// Each of these tests uses a whole machine's worth of server, clients or faults; side by side they would measure each other.
[assembly: Parallelization(Mode = ParallelMode.None)]
