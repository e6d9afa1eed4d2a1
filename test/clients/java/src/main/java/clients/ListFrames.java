package clients;

import com.google.gson.GsonBuilder;
import java.io.File;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/** Prints what RocketMQ's own decoder makes of each frame of a file, one JSON line a frame. */
public final class ListFrames {
    public static void main(String[] arguments) throws Exception {
        ByteBuffer frames = ByteBuffer.wrap(Files.readAllBytes(new File(arguments[0]).toPath()));
        while (frames.hasRemaining()) {
            int at = frames.position();
            byte[] frame = new byte[frames.getInt()];
            frames.get(frame);
            Map<String, Object> line = described(RemotingCommand.decode(frame));
            line.put("at", at);
            line.put("bytes", frames.position() - at);
            System.out.println(new GsonBuilder().disableHtmlEscaping().create().toJson(line));
        }
    }

    private static Map<String, Object> described(RemotingCommand command) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("code", command.getCode());
        line.put("flag", command.getFlag());
        line.put("opaque", command.getOpaque());
        line.put("language", command.getLanguage().name());
        line.put("version", command.getVersion());
        line.put("serializeType", command.getSerializeTypeCurrentRPC().name());
        line.put("remark", command.getRemark());
        line.put("fields", command.getExtFields() == null ? null : new TreeMap<>(command.getExtFields()));
        byte[] body = command.getBody();
        line.put("bodyBytes", body == null ? 0 : body.length);
        CRC32 checksum = new CRC32();
        checksum.update(body == null ? new byte[0] : body);
        line.put("bodyCrc32", checksum.getValue());
        return line;
    }
}
