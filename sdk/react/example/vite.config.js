// localhost and not 127.0.0.1: to a browser that would be another site than whence on localhost.
export default { server: { host: "localhost", port: 5173, strictPort: true } };
