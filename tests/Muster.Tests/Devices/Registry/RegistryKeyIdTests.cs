using System.Security.Cryptography;
using Muster.Server.Devices.Registry;

namespace Muster.Tests.Devices.Registry;

public sealed class RegistryKeyIdTests
{
    /// <summary>A key made with openssl, and its id made of it with openssl, sha256sum and base32.</summary>
    [Fact]
    public void The_id_is_the_fingerprint_that_a_registry_makes_of_the_certificate()
    {
        using var key = ECDsa.Create();
        key.ImportFromPem(
            """
            -----BEGIN EC PRIVATE KEY-----
            MHcCAQEEIKNepOqMjvCG4XiqOOtXUhmt9970DcmbxpmQ2p5JxVAGoAoGCCqGSM49
            AwEHoUQDQgAE4MZ07ZiJVKT7ewwxZAhsP61EQmOtuOeR87El9z7PhIWwTPK7CCAN
            w6+ey6zNLclJGmK00eu/+T7gJ2a5C49xFw==
            -----END EC PRIVATE KEY-----
            """);
        Assert.Equal("DOKK:E6TI:5P45:KMYH:BVCJ:IVFA:IPFV:AEQ4:RIUY:ML76:5DUY:OEN6", RegistryKeyId.Of(key));
    }
}
