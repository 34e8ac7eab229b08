"""File transfers: uploads to the server, and downloads by their receivers."""
