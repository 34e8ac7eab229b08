"""File transfers: uploads to the server, downloads to the clients they are for."""
