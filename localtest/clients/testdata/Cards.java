// Reads agent cards with the Java SDK 0.3: Cards FILE...

import io.a2a.spec.AgentCard;
import io.a2a.util.Utils;
import java.nio.file.*;

public class Cards {
    public static void main(String[] files) throws Exception {
        for (String file : files) {
            try {
                AgentCard card = Utils.OBJECT_MAPPER.readValue(Files.readString(Path.of(file)), AgentCard.class);
                System.out.println(String.join(", ", card.security().stream().map(s -> String.join(" and ", s.keySet())).toList()));
            } catch (java.io.IOException e) {
                System.out.println("not the card");
            }
        }
    }
}
