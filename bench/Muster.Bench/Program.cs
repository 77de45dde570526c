Console.WriteLine("scenarios: none yet");
