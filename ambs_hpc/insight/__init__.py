"""What ended evaluations teach: importance of parameters, causes of failures; nothing is read or drawn."""
